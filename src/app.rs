//! App state, the one route table, the layers.
