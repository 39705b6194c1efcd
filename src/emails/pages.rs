//! Every letter with invented facts, as a person would get it: a page of demo mode, and nowhere else.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{Html, Response},
};

use crate::{
    config::{Config, Mode},
    demo,
    emails::{
        Composed, Sender,
        samples::{self, Sample},
    },
    error::AppError,
    web::{chrome::Chrome, form::Path},
};

#[derive(Template)]
#[template(path = "demo/letters.html")]
struct LettersPage {
    chrome: Chrome,
    letters: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "demo/letter.html")]
struct LetterPage {
    chrome: Chrome,
    name: &'static str,
    letter: Composed,
}

pub async fn letters(State(config): State<Arc<Config>>, chrome: Chrome) -> Result<Html<String>, AppError> {
    let sender = Sender::from(&*config);
    let letters = all(&config)?
        .into_iter()
        .map(|(name, letter)| letter.compose(&sender).map(|composed| (name, composed.subject)));
    let letters = letters.collect::<Result<_, _>>()?;
    Ok(Html(LettersPage { chrome, letters }.render()?))
}

pub async fn letter(
    State(config): State<Arc<Config>>,
    chrome: Chrome,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let (name, letter) = composed(&config, &name)?;
    Ok(Html(LetterPage { chrome, name, letter }.render()?))
}

/// The letter's own document, for the frame in [`letter`].
pub async fn document(
    State(config): State<Arc<Config>>,
    Path(name): Path<String>,
) -> Result<Response, AppError> {
    let (_, letter) = composed(&config, &name)?;
    Ok(demo::framed(&letter.html))
}

fn composed(config: &Config, name: &str) -> Result<(&'static str, Composed), AppError> {
    let found = all(config)?.into_iter().find(|(known, _)| *known == name);
    let (name, letter) = found.ok_or(AppError::NotFound)?;
    Ok((name, letter.compose(&Sender::from(config))?))
}

fn all(config: &Config) -> Result<Vec<Sample>, AppError> {
    if config.mode != Mode::Demo {
        return Err(AppError::NotFound);
    }
    samples::letters().ok_or_else(|| AppError::broken("a sample letter has a fact that is none"))
}
