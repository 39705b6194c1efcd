//! Taking one's data along, and leaving, for programs. They show what the pages ask for: the password, and a code where
//! there is a second factor.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Export, Hindrance, Leaving, Privacy, Proven, words};
use crate::{
    accounts::{
        SecondFactors,
        api::{check_password, sign_in::check_code},
    },
    error::{AppError, FieldErrors, Refusal},
    ids::UserId,
    web::{
        bearer::{ApiUser, CalledBy},
        json::Json,
        problem::Problem,
        scopes::{AccountRead, AccountWrite, BookingsRead},
        session::Door,
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnProof {
    #[serde(default)]
    #[schema(required, value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    /// The present code of the second factor, or a recovery code, from those who have one.
    #[serde(default)]
    #[schema(value_type = String, example = "")]
    code: SecretString,
}

impl OwnProof {
    async fn check(
        self,
        privacy: &Privacy,
        factors: &SecondFactors,
        user: UserId,
    ) -> Result<Proven, AppError> {
        let mut errors = FieldErrors::default();
        check_password(&mut errors, "password", &self.password);
        if !errors.is_empty() {
            return Err(AppError::Invalid(errors));
        }
        let proven = privacy.prove(user, self.password).await?;
        check_code(factors, user, &self.code).await?;
        Ok(proven)
    }
}

/// Take everything along
///
/// All that we keep about the account, its bookings with it, in one answer; the same as the file of the site. It is told once:
/// an Idempotency-Key keeps no copy of it.
#[utoipa::path(
    post,
    path = "/api/auth/export",
    operation_id = "exportMe",
    tag = "Account",
    request_body = OwnProof,
    responses(
        (status = 200, description = "Everything.", body = Export),
        (status = 403, description = "second_factor_required"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
    security(("bearer" = ["account:read", "bookings:read"]), ("session" = [])),
)]
pub async fn export(
    State(privacy): State<Privacy>,
    State(factors): State<SecondFactors>,
    who: ApiUser<AccountRead>,
    _bookings: ApiUser<BookingsRead>,
    Json(proof): Json<OwnProof>,
) -> Result<([(HeaderName, HeaderValue); 1], Answer<Export>), AppError> {
    let proven = proof.check(&privacy, &factors, who.user).await?;
    let once = [(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"))];
    Ok((once, Answer(privacy.export(&proven).await?)))
}

/// Delete the account
///
/// For good. Every browser and every program is signed out, the people in its bookings are forgotten, and what the books need
/// stays without them. Refused while a booking is not over.
#[utoipa::path(
    delete,
    path = "/api/auth/me",
    operation_id = "deleteMe",
    tag = "Account",
    request_body = OwnProof,
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, description = "second_factor_required"),
        (status = 409, description = "bookings_open staff_account"),
        (status = 429, description = "too_many_requests"),
        (status = 503, description = "busy"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn leave(
    State(privacy): State<Privacy>,
    State(factors): State<SecondFactors>,
    door: Door,
    who: ApiUser<AccountWrite>,
    Json(proof): Json<OwnProof>,
) -> Result<Response, AppError> {
    let proven = proof.check(&privacy, &factors, who.user).await?;
    match privacy.leave(&proven).await? {
        Leaving::Left => {
            if matches!(who.by, CalledBy::Device(_)) {
                door.sign_out().await?;
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Leaving::Hindered(hindrances) => Ok(hindered(&hindrances).into_response()),
        Leaving::Staff => Err(AppError::Conflict(Refusal {
            code: "staff_account",
            title: "This account belongs to a member of the agency",
            detail: "An owner takes the role away first. Nothing was deleted.".to_owned(),
        })),
    }
}

fn hindered(hindrances: &[Hindrance]) -> Problem {
    let sentence = |hindrance: &Hindrance| {
        format!("Booking {}: {}", hindrance.reference, words::in_words(hindrance.why))
    };
    let told: Vec<String> = hindrances.iter().map(sentence).collect();
    let refusal = Refusal {
        code: "bookings_open",
        title: "Something is not over yet",
        detail: format!("Nothing was deleted. {}", told.join(" ")).replace('\u{a0}', " "),
    };
    let open: Vec<Value> = hindrances
        .iter()
        .map(|hindrance| json!({ "reference": hindrance.reference, "why": words::code(hindrance.why) }))
        .collect();
    Problem::refusal(StatusCode::CONFLICT, &refusal).about(json!({ "open": open }))
}
