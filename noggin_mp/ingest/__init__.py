"""CSV files in, TIPs in noggin_data out."""
