//! Stand-ins for the outside world, used by demo mode and by tests alike: a stateful Stripe and an SMTP mailbox.
//! They speak the real protocols over loopback; nothing of the shop knows whether it talks to them.

pub mod mailbox;
pub mod stripe;

use std::path::{Path, PathBuf};

use self::mailbox::Door;
use crate::clock::Clock;

/// Both at once. They stop when the last handle of each is gone.
#[derive(Clone)]
pub struct Sandbox {
    pub stripe: stripe::Handle,
    pub mailbox: mailbox::Mailbox,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Stripe(#[from] stripe::StartError),
    #[error(transparent)]
    Mailbox(#[from] mailbox::StartError),
    #[error("the sandbox's directory {}: {error}", path.display())]
    Directory { path: PathBuf, error: std::io::Error },
}

impl Sandbox {
    /// For tests: any free ports, and everything is forgotten at the end.
    pub async fn start(clock: Clock, door: Door) -> Result<Self, StartError> {
        Self::start_with(clock, None, 0, 0, door).await
    }

    /// For demo mode: what was paid and mailed is still there after a restart.
    pub async fn start_in(
        directory: &Path,
        clock: Clock,
        stripe_port: u16,
        mail_port: u16,
    ) -> Result<Self, StartError> {
        std::fs::create_dir_all(directory)
            .map_err(|error| StartError::Directory { path: directory.into(), error })?;
        Self::start_with(clock, Some(directory), stripe_port, mail_port, Door::default()).await
    }

    async fn start_with(
        clock: Clock,
        directory: Option<&Path>,
        stripe_port: u16,
        mail_port: u16,
        door: Door,
    ) -> Result<Self, StartError> {
        let state_file = directory.map(|path| path.join("stripe.json"));
        let stripe = stripe::Settings { clock: clock.clone(), port: stripe_port, state_file };
        let mail = directory.map(|path| path.join("mail"));
        let mailbox = mailbox::Settings { clock, port: mail_port, directory: mail, door };
        Ok(Self {
            stripe: stripe::Handle::start(stripe).await?,
            mailbox: mailbox::Mailbox::start(mailbox).await?,
        })
    }
}
