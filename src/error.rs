//! One error type for the whole house. What a person sees of it is a [`Problem`], rendered in one place (`web::problem`).

/// Messages beside the fields of a form, by field name, in the traveller's words. Kept in the order of checking, which is
/// the order of the form: the summary above it reads the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(String, String)>);

impl FieldErrors {
    /// The name under which something is said of the form as a whole.
    pub const WHOLE_FORM: &str = "";

    /// Keeps the first message for a field: one thing to correct at a time.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        if self.get(&field).is_none() {
            self.0.push((field, message.into()));
        }
    }

    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, message)| message.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, message)| (field.as_str(), message.as_str()))
    }
}

/// A rule said no. `code` is stable and public, `detail` is for people and says what happened to their money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub title: &'static str,
    pub detail: String,
}

/// Somebody did something more often than a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    pub retry_after_seconds: u32,
    /// What there was too much of, in a sentence.
    pub detail: &'static str,
    /// The limit itself, for programs. `None`: a delay that grows with each try.
    pub quota: Option<Quota>,
}

/// As in the header `RateLimit-Policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub name: &'static str,
    pub tokens: u32,
    pub window_seconds: u32,
}

impl Quota {
    /// As a member of `RateLimit-Policy`.
    pub fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name, self.tokens, self.window_seconds)
    }

    /// As a member of `RateLimit`: what is left, and when there is more.
    pub fn left(&self, tokens: u32, more_in_seconds: u32) -> String {
        format!("\"{}\";r={tokens};t={more_in_seconds}", self.name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("not signed in")]
    Unauthenticated,
    #[error("not allowed")]
    Forbidden,
    /// For people whose role or second factor allows it; the refusal says which.
    #[error("barred: {}", .0.code)]
    Barred(Refusal),
    /// Missing and somebody else's look the same.
    #[error("not found")]
    NotFound,
    #[error("invalid input")]
    Invalid(FieldErrors),
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// Something else happened first; looking again shows the present state.
    #[error("conflict: {}", .0.code)]
    Conflict(Refusal),
    /// It was there once and is not any more.
    #[error("gone: {}", .0.code)]
    Gone(Refusal),
    #[error("too many requests")]
    TooMany(TooMany),
    /// All is well, but more is wanted at this moment than there are hands for.
    #[error("busy")]
    Busy { retry_after_seconds: u32 },
    /// A gateway did not answer, or answered nonsense. `detail` says what that means for the traveller.
    #[error("upstream {service}: {reason}")]
    Upstream { service: &'static str, reason: String, detail: String },
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// What nobody outside can cause or mend. The page shows a constant text and the request id; the log has the chain.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    #[error("database")]
    Database(#[from] sqlx::Error),
    #[error("template")]
    Template(#[from] askama::Error),
    #[error("json")]
    Json(#[from] serde_json::Error),
    #[error("money")]
    Money(#[from] crate::money::MoneyError),
    #[error("{0}")]
    Broken(String),
}

macro_rules! internal_from {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for AppError {
            fn from(error: $error) -> Self {
                Self::Internal(error.into())
            }
        }
    )+};
}

internal_from!(askama::Error, serde_json::Error, crate::money::MoneyError);

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        let refused_by = error.as_database_error().and_then(|error| error.constraint());
        // What was on its way into an account that was deleted meanwhile (migration 0015): nobody is signed in any more.
        if refused_by.is_some_and(|name| name.ends_with("_user_is_there")) {
            return Self::Unauthenticated;
        }
        Self::Internal(error.into())
    }
}

impl AppError {
    /// For what our own rules make impossible: it is logged and shown as our fault, never as a panic.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::Internal(InternalError::Broken(what.into()))
    }

    /// The name of the database constraint that refused, if that is what happened.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Internal(InternalError::Database(sqlx::Error::Database(error))) => error.constraint(),
            _ => None,
        }
    }
}
