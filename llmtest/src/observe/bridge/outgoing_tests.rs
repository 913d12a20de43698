//! What a subscriber sees of observed calls.
