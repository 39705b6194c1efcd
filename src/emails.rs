//! Composes the mail that a job owes.
