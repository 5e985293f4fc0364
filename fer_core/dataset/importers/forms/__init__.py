"""One file for each form in which datasets are published."""
