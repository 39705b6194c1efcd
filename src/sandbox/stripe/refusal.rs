//! A "no" in Stripe's form: `{"error": {type, code, param, message}}` with its status.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRefusal {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub param: Option<String>,
    pub message: String,
}

impl ApiRefusal {
    pub fn invalid(code: &'static str, param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: Some(code),
            param: Some(param.into()),
            message: message.into(),
        }
    }

    /// The request is fine; the object is in a state that forbids it.
    pub fn state(code: &'static str, message: impl Into<String>) -> Self {
        Self { param: None, ..Self::invalid(code, "", message) }
    }

    pub fn missing(status: u16, what: &str, id: &str, param: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self { status, ..Self::invalid("resource_missing", param, message) }
    }

    pub fn plain(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    pub fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["code"] = code.into();
            error["doc_url"] = format!("https://docs.stripe.com/error-codes#{code}").into();
        }
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        json!({ "error": error })
    }
}
