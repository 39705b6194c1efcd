//! The web kit: what every page and API of the house shares. It knows no feature.
//!
//! A request meets, from outside in ([`frame::around`]): the outer ring (names it, opens its span, looks at the host it
//! names, sets the security headers, renders what nobody rendered), the session layer, the inner ring (ends what session has
//! lasted long enough, keeps time, renders errors with the visitor's own header), what catches panics and refuses foreign
//! origins and large bodies, the handler.

pub mod again;
pub mod assets;
pub mod bearer;
pub mod chrome;
pub mod client;
pub mod codes;
pub mod components;
pub mod crowd;
pub mod form;
pub mod frame;
pub mod host;
pub mod idempotency;
pub mod json;
pub mod kept;
pub mod links;
pub mod negotiate;
pub mod params;
pub mod powers;
pub mod principal;
pub mod probes;
pub mod problem;
pub mod proof;
pub mod scopes;
pub mod security;
pub mod server;
pub mod session;
pub mod session_cache;
pub mod shapes;
pub mod user_agent;
pub mod visitor;
pub mod waiting;
pub mod wire;
pub mod well_known;
