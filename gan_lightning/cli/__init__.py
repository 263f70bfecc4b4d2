"""The console commands: one module a command."""
