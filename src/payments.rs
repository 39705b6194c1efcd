//! The Stripe client.
