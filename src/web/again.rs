//! A form that comes back with what was typed: with what is wrong in it, or, where it came too often or at a busy moment,
//! with how long to wait.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    error::{AppError, FieldErrors},
    web::{components::words, problem::Problem},
};

/// The page that `make` gives for these messages. What no form can say stays an error.
pub fn typed_again<T: Template>(
    error: AppError,
    make: impl FnOnce(FieldErrors) -> T,
) -> Result<Response, AppError> {
    let error = match error {
        AppError::Invalid(errors) => {
            let page = make(errors).render()?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response());
        }
        other => other,
    };
    let problem = Problem::from(&error);
    let Some(seconds) = problem.retry_after_seconds else { return Err(error) };
    tracing::debug!(status = problem.status.as_u16(), "a form has to wait");
    let told = format!("{} Try again in {}.", problem.detail, words::wait(seconds));
    let page = make(FieldErrors::one(FieldErrors::WHOLE_FORM, told)).render()?;
    Ok((problem.status, [(header::RETRY_AFTER, seconds.to_string())], Html(page)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TooMany;

    #[derive(Template)]
    #[template(
        source = "{% for (field, told) in errors.iter() %}{{ field }}: {{ told }}{% endfor %}",
        ext = "txt"
    )]
    struct Page {
        errors: FieldErrors,
    }

    fn status(error: AppError) -> Result<(u16, Option<String>), AppError> {
        let response = typed_again(error, |errors| Page { errors })?;
        let wait =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        Ok((response.status().as_u16(), wait))
    }

    #[test]
    fn a_form_says_what_is_wrong_and_how_long_to_wait_and_leaves_the_rest_to_the_page_of_errors() {
        assert_eq!(status(AppError::Invalid(FieldErrors::one("email", "Write it"))).unwrap(), (422, None));
        let often = TooMany { retry_after_seconds: 75, detail: "Too often.", quota: None };
        assert_eq!(status(AppError::TooMany(often)).unwrap(), (429, Some("75".to_owned())));
        let busy = AppError::Busy { retry_after_seconds: 2 };
        assert_eq!(status(busy).unwrap(), (503, Some("2".to_owned())));
        for other in [AppError::Unauthenticated, AppError::NotFound, AppError::broken("x")] {
            assert!(status(other).is_err());
        }
    }
}
