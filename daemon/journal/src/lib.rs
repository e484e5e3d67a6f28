//! SQLite store of chain records, one writer, group commit.
