//! Stand-ins for demo mode and tests: a stateful Stripe and an SMTP mailbox.
