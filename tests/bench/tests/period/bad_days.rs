//! Days on which something is missing, broken, doubled or hostile.
