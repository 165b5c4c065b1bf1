"""To be described by the first file that lives here."""
