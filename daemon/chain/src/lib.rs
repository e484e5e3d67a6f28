//! Journal record codec, hash chain, verification; bytes only.
