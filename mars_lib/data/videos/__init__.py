"""Downloaded videos made into data."""
