"""The report of a sweep: collects its runs, compares them, and writes the result as HTML, Markdown and CSV."""
