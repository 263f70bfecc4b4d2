"""A sweep as one page: what is read, compared, drawn and written."""
