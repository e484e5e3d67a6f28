//! Log set-up, event names, message ids.
