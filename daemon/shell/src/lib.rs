//! Shell text to simple commands, redirects, substitutions and effects.
