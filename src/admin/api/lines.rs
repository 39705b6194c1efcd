//! The lines of a price, and what of them goes back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::RefundPart,
    checkout::price_lines::{self, LineId, LinePart},
    error::{AppError, FieldErrors},
    web::shapes::{Money, Sum},
};

/// A fare or a tax of one passenger, and what of it has not gone back.
#[derive(Debug, Serialize, ToSchema)]
pub struct PriceLine {
    /// By the order of the passengers; 0 is everybody together, where the supplier tells one price for all.
    #[schema(maximum = 9, example = 1)]
    passenger: u8,
    /// `fare`, or `tax_1` and on.
    #[schema(pattern = "^(fare|tax_[1-9][0-9]?)$", example = "fare")]
    item: String,
    #[schema(example = "Fare")]
    name: String,
    amount: Money,
    left: Money,
}

impl PriceLine {
    pub fn of(line: &price_lines::PriceLine) -> Self {
        Self {
            passenger: line.id.passenger,
            item: line.id.item.to_string(),
            name: line.name.clone(),
            amount: line.amount.into(),
            left: line.left.into(),
        }
    }
}

/// How much of a line goes back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundLine {
    #[schema(maximum = 9, example = 1)]
    passenger: u8,
    #[schema(pattern = "^(fare|tax_[1-9][0-9]?)$", example = "fare")]
    item: String,
    amount: Money,
}

impl RefundLine {
    pub fn new(part: RefundPart, currency: &str) -> Result<Self, AppError> {
        let amount = super::amount(part.amount_minor, currency)?;
        Ok(Self { passenger: part.passenger, item: part.item, amount })
    }

    pub fn of(part: &LinePart) -> Self {
        Self { passenger: part.line.passenger, item: part.line.item.to_string(), amount: part.amount.into() }
    }
}

/// How much of a line is to go back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineAsked {
    #[schema(maximum = 9, example = 1)]
    passenger: u8,
    #[schema(pattern = "^(fare|tax_[1-9][0-9]?)$", example = "fare")]
    item: String,
    amount: Sum,
}

/// Each as it can be meant. Whether the price has such lines, and so much of them left, is asked where it is decided.
pub fn check(asked: &[LineAsked], errors: &mut FieldErrors) -> Vec<LinePart> {
    let mut parts = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let amount = asked.amount.check(errors, &format!("lines.{place}.amount"));
        match (asked.item.parse(), amount) {
            (Ok(item), Some(amount)) => {
                parts.push(LinePart { line: LineId { passenger: asked.passenger, item }, amount });
            }
            (Err(()), _) => errors.add(format!("lines.{place}.item"), "fare, or tax_1 and on"),
            (Ok(_), None) => {}
        }
    }
    parts
}
