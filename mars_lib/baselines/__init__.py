"""Systems that MARS-Sep is compared with: what differs from OmniSep, nothing else."""
