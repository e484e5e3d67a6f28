//! The sans-IO machine: rungs, fold, sessions, rate limits.
