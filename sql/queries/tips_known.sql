-- Which of the TIPs given exist.
SELECT tip FROM noggin_data WHERE tip = ANY (%(tips)s)
