//! Profiles as Handfast writes them, and what is wrong with others.
