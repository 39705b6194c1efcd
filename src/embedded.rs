//! A private PostgreSQL for demo mode and for tests.
