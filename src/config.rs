//! Environment to typed configuration; secrets stay out of Debug.
