//! The test cards and bank accounts, by the numbers that Stripe gives them.

/// What the issuer says to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Approve,
    Authenticate,
    Decline {
        code: &'static str,
        decline_code: Option<&'static str>,
        message: &'static str,
    },
    /// A direct debit: the session is complete at once, and the bank says later what it does.
    Debit {
        arrives: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    pub number: &'static str,
    pub brand: &'static str,
    pub answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a card number")]
pub struct NotACard;

const DECLINED: &str = "Your card was declined.";

const fn declines(
    number: &'static str,
    code: &'static str,
    decline_code: Option<&'static str>,
    message: &'static str,
) -> TestCard {
    TestCard { number, brand: "visa", answer: Answer::Decline { code, decline_code, message } }
}

const fn approves(number: &'static str, brand: &'static str) -> TestCard {
    TestCard { number, brand, answer: Answer::Approve }
}

pub const APPROVED: TestCard = approves("4242424242424242", "visa");
pub const DECLINED_CARD: TestCard =
    declines("4000000000000002", "card_declined", Some("generic_decline"), DECLINED);
pub const INSUFFICIENT_FUNDS: TestCard = declines(
    "4000000000009995",
    "card_declined",
    Some("insufficient_funds"),
    "Your card has insufficient funds.",
);
pub const THREE_D_SECURE: TestCard =
    TestCard { number: "4000002500003155", brand: "visa", answer: Answer::Authenticate };

/// Its payments are taken back as soon as they are charged.
const DISPUTED: TestCard = approves("4000000000000259", "visa");

const fn debits(number: &'static str, arrives: bool) -> TestCard {
    TestCard { number, brand: "sepa_debit", answer: Answer::Debit { arrives } }
}

pub const DEBIT: TestCard = debits("AT321904300235473204", true);
pub const FAILED_DEBIT: TestCard = debits("AT861904300235473202", false);

const OTHERS: [TestCard; 11] = [
    DISPUTED,
    approves("4000056655665556", "visa"),
    approves("5555555555554444", "mastercard"),
    approves("378282246310005", "amex"),
    TestCard { number: "4000000000003220", brand: "visa", answer: Answer::Authenticate },
    declines("4000000000009987", "card_declined", Some("lost_card"), DECLINED),
    declines("4000000000009979", "card_declined", Some("stolen_card"), DECLINED),
    declines("4000000000000069", "expired_card", None, "Your card has expired."),
    declines("4000000000000127", "incorrect_cvc", None, "Your card's security code is incorrect."),
    declines("4000000000000119", "processing_error", None, "An error occurred while processing your card."),
    declines("4000000000006975", "card_declined", Some("card_velocity_exceeded"), DECLINED),
];

/// A real card in the sandbox: Stripe declines it too. Its number goes no further than its last four digits.
const REAL_CARD: TestCard = declines(
    "",
    "card_declined",
    Some("test_mode_live_card"),
    "Your card was declined. This is a sandbox, and that is not a test card.",
);

/// Reads what a person typed: digits, with spaces or hyphens between.
pub fn find(typed: &str) -> Result<(TestCard, String), NotACard> {
    if typed.len() > 60 {
        return Err(NotACard);
    }
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if let Some(account) =
        [DEBIT, FAILED_DEBIT].into_iter().find(|it| it.number.eq_ignore_ascii_case(&digits))
    {
        return Ok((account, account.number[account.number.len() - 4..].to_owned()));
    }
    if !(12..=19).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) || !luhn(&digits) {
        return Err(NotACard);
    }
    let known = [APPROVED, DECLINED_CARD, INSUFFICIENT_FUNDS, THREE_D_SECURE].into_iter().chain(OTHERS);
    let card = known.into_iter().find(|card| card.number == digits).unwrap_or(REAL_CARD);
    let last4 = digits.get(digits.len() - 4..).unwrap_or_default().to_owned();
    Ok((card, last4))
}

/// Only that card ends so: any other is declined.
pub fn is_disputed(last4: &str) -> bool {
    DISPUTED.number.ends_with(last4)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0') * if place % 2 == 1 { 2 } else { 1 };
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_card_is_found_by_its_own_number() {
        for card in [APPROVED, DECLINED_CARD, INSUFFICIENT_FUNDS, THREE_D_SECURE].into_iter().chain(OTHERS) {
            assert_eq!(find(card.number).map(|(found, _)| found), Ok(card), "{}", card.number);
        }
        for account in [DEBIT, FAILED_DEBIT] {
            assert_eq!(find(&account.number.to_lowercase()).map(|(found, _)| found), Ok(account));
        }
        assert_eq!(find("4000 0025-0000 3155").unwrap(), (THREE_D_SECURE, "3155".to_owned()));
    }

    #[test]
    fn a_card_from_a_real_wallet_is_declined_and_nonsense_is_no_card() {
        assert_eq!(find("4929 1234 5678 9015").map(|(card, _)| card), Ok(REAL_CARD));
        for typed in [
            "",
            "AT611904300234573201",
            "4242",
            "4242 4242 4242 4241",
            "４２４２424242424242",
            "42424242424242424242424242",
            "x",
        ] {
            assert_eq!(find(typed), Err(NotACard), "{typed:?}");
        }
    }
}
