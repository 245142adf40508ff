"""Everything that talks HTTP to Noggin or writes attachment files."""
