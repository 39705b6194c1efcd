//! Integer money. An amount never meets another currency, never overflows silently, never becomes a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 code. Only these are sold: each one's decimals are known to be Stripe's as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    Eur,
    Usd,
    Gbp,
    Chf,
    Jpy,
    Bhd,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    #[error("the amount is too large")]
    Overflow,
    #[error("two currencies in one sum")]
    MixedCurrencies,
    #[error("unknown currency")]
    UnknownCurrency,
    #[error("not an amount")]
    NotAnAmount,
}

impl Currency {
    pub const ALL: [Self; 6] = [Self::Eur, Self::Usd, Self::Gbp, Self::Chf, Self::Jpy, Self::Bhd];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Gbp => "GBP",
            Self::Chf => "CHF",
            Self::Jpy => "JPY",
            Self::Bhd => "BHD",
        }
    }

    pub const fn decimals(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Bhd => 3,
            Self::Eur | Self::Usd | Self::Gbp | Self::Chf => 2,
        }
    }

    /// What every amount that Stripe charges or gives back is a multiple of, in minor units: of three decimals the last is
    /// always 0 (docs.stripe.com/currencies, "Three-decimal currencies").
    pub const fn step(self) -> i64 {
        if self.decimals() == 3 { 10 } else { 1 }
    }
}

impl std::str::FromStr for Currency {
    type Err = MoneyError;

    /// Any case: Stripe writes currencies in lower case, everyone else in upper.
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::ALL
            .into_iter()
            .find(|currency| currency.code().eq_ignore_ascii_case(code))
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

impl Money {
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    pub fn checked_mul(self, times: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(times).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// Stripe can move it.
    pub const fn is_on_step(self) -> bool {
        self.minor % self.currency.step() == 0
    }

    /// The amount that Stripe can move and that is nearest to it towards zero.
    pub const fn down_to_step(self) -> Self {
        Self::new(self.minor - self.minor % self.currency.step(), self.currency)
    }

    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// "1,126.00": for a place where the currency code already stands beside it.
    pub fn amount(self) -> String {
        let scale = 10_u64.pow(self.currency.decimals());
        let (whole, part) = (self.minor.unsigned_abs() / scale, self.minor.unsigned_abs() % scale);
        let digits = whole.to_string();
        let mut text = String::from(if self.minor < 0 { "−" } else { "" });
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if self.currency.decimals() > 0 {
            text.push_str(&format!(".{part:0width$}", width = self.currency.decimals() as usize));
        }
        text
    }

    /// An amount as somebody types it: digits, and no more decimals than the currency has. A comma is refused: it would be
    /// a hundred times too much or too little, depending on where its writer went to school.
    pub fn read(typed: &str, currency: Currency) -> Result<Self, MoneyError> {
        let typed = typed.trim();
        let (whole, part) = typed.split_once('.').unwrap_or((typed, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let decimals = currency.decimals() as usize;
        let has_point = typed.contains('.');
        if !is_digits(whole) || !is_digits(part) || (has_point && part.len() > decimals) {
            return Err(MoneyError::NotAnAmount);
        }
        // Long zeros are still digits that somebody typed.
        let digits = format!("{whole}{part:0<decimals$}");
        let digits = &digits[..whole.len() + decimals];
        let minor = digits.parse().map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(minor, currency))
    }

    /// As [`Self::read`] takes it: "1126.00".
    pub fn typed(self) -> String {
        self.amount().replace(',', "")
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::MixedCurrencies) }
    }
}

/// "EUR 1,126.00", kept on one line by a no-break space.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\u{a0}{}", self.currency, self.amount())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::Eur)
    }

    #[test]
    fn a_typed_amount_has_the_decimals_of_its_currency_or_is_none() {
        let read = |typed, currency| Money::read(typed, currency).map(|money| money.minor);
        for (typed, minor) in [("20", 2_000), (" 20.5 ", 2_050), ("20.50", 2_050), ("0.01", 1), ("007", 700)]
        {
            assert_eq!(read(typed, Currency::Eur), Ok(minor), "{typed}");
        }
        assert_eq!([read("100", Currency::Jpy), read("1.234", Currency::Bhd)], [Ok(100), Ok(1_234)]);
        for typed in [
            "", " ", ".", "1.", ".5", "1,126.00", "20,50", "-5", "+5", "1e3", "20.505", "NaN", "٢٠", "0x10",
            "1 000",
        ] {
            assert_eq!(read(typed, Currency::Eur), Err(MoneyError::NotAnAmount), "{typed}");
        }
        assert_eq!(read("1.0", Currency::Jpy), Err(MoneyError::NotAnAmount));
        assert_eq!(read("99999999999999999999", Currency::Eur), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn what_is_typed_reads_back(minor in 0..=i64::MAX, currency in prop::sample::select(&Currency::ALL[..])) {
            let money = Money::new(minor, currency);
            prop_assert_eq!(Money::read(&money.typed(), currency), Ok(money));
        }
    }

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        let cases = [
            (eur(0), "0.00"),
            (eur(5), "0.05"),
            (eur(112_600), "1,126.00"),
            (eur(-123_456_789), "−1,234,567.89"),
            (Money::new(98_500, Currency::Jpy), "98,500"),
            (Money::new(1_234_567, Currency::Bhd), "1,234.567"),
            (eur(i64::MIN), "−92,233,720,368,547,758.08"),
        ];
        for (money, text) in cases {
            assert_eq!(money.amount(), text);
        }
        assert_eq!(eur(41_260).to_string(), "EUR\u{a0}412.60");
    }

    #[test]
    fn three_decimals_go_in_steps_of_ten_and_all_others_in_ones() {
        let down = |minor, currency| Money::new(minor, currency).down_to_step().minor;
        for (minor, stepped) in
            [(0, 0), (9, 0), (10, 10), (12_345, 12_340), (12_349, 12_340), (-12_345, -12_340)]
        {
            assert_eq!(down(minor, Currency::Bhd), stepped, "{minor}");
            assert_eq!(Money::new(minor, Currency::Bhd).is_on_step(), minor == stepped, "{minor}");
        }
        for currency in Currency::ALL.into_iter().filter(|currency| *currency != Currency::Bhd) {
            assert_eq!(down(12_345, currency), 12_345, "{currency}");
        }
        assert_eq!(down(i64::MAX, Currency::Bhd), i64::MAX - 7);
        assert_eq!(down(i64::MIN, Currency::Bhd), i64::MIN + 8);
    }

    #[test]
    fn currencies_never_mix_and_nothing_wraps() {
        let jpy = Money::new(1, Currency::Jpy);
        assert_eq!(eur(1).checked_add(jpy), Err(MoneyError::MixedCurrencies));
        assert_eq!(eur(1).checked_sub(jpy), Err(MoneyError::MixedCurrencies));
        assert_eq!(eur(i64::MAX).checked_add(eur(1)), Err(MoneyError::Overflow));
        assert_eq!(eur(i64::MIN).checked_sub(eur(1)), Err(MoneyError::Overflow));
        assert_eq!(eur(i64::MAX).checked_mul(2), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_currency_code_is_read_in_any_case() {
        assert_eq!("eur".parse(), Ok(Currency::Eur));
        assert_eq!("XXX".parse::<Currency>(), Err(MoneyError::UnknownCurrency));
    }

    proptest! {
        #[test]
        fn adding_then_subtracting_gives_back_the_same(a: i64, b: i64) {
            if let Ok(sum) = eur(a).checked_add(eur(b)) {
                prop_assert_eq!(sum.checked_sub(eur(b)), Ok(eur(a)));
            }
        }

        #[test]
        fn every_amount_has_one_spelling(a: i64, b: i64) {
            prop_assert_eq!(a == b, eur(a).amount() == eur(b).amount());
        }
    }
}
