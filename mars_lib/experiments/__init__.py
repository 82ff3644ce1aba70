"""What is compared, and how: training, evaluation, tables."""
