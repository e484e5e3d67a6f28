//! Every system call fakd makes itself: peer credentials, pidfd, descriptors.
