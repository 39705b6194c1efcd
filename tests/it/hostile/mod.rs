//! Every field of every form, every header and every cookie over everything that has ever broken one. Nothing of it is a
//! 500, nothing comes back unescaped, nothing that was typed is lost, and whatever happens the invariants hold.

mod bytes;
mod fields;
mod headers;
mod inputs;
