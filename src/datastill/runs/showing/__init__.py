"""What runs found, for people and for programs: lines, tables, pages, JSON."""
