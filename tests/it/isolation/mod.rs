//! Isolation, proven: what each principal can do to what is alice's, tried as the database roles themselves and held
//! against written tables that a person can read. A new table, column or function that is not written there fails.

mod attempts;
mod functions;
mod mutations;
mod pool;
mod settings;
mod tables;
mod world;
