//! Stand-ins for the outside world, used by demo mode and by tests alike: a stateful Stripe and an SMTP mailbox.
//! They speak the real protocols over loopback; nothing of the shop knows whether it talks to them.

pub mod stripe;
