//! What a member of the agency may do, by role: one table, and extractors that let nobody past without the power.

use std::{marker::PhantomData, ops::Deref};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    db::Db,
    error::{AppError, Refusal},
    web::principal::{SignedInStaff, StaffRole},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Bookings with their money, masked.
    SeeBookings,
    SendMailAgain,
    /// Look at a travel document unmasked.
    RevealDocuments,
    ResolveAttention,
    RefundMoney,
    /// Who is staff, and as what.
    ManageStaff,
    /// Where events go, and by which secret they are signed.
    ManageHooks,
    SeeAudit,
}

const YES: bool = true;
const NO: bool = false;

#[rustfmt::skip]
const TABLE: [(Power, [bool; 4]); 8] = [
    //                         viewer agent finance owner
    (Power::SeeBookings,      [YES,   YES,  YES,    YES]),
    (Power::SendMailAgain,    [NO,    YES,  YES,    YES]),
    (Power::RevealDocuments,  [NO,    YES,  NO,     YES]),
    (Power::ResolveAttention, [NO,    YES,  YES,    YES]),
    (Power::RefundMoney,      [NO,    NO,   YES,    YES]),
    (Power::ManageStaff,      [NO,    NO,   NO,     YES]),
    (Power::ManageHooks,      [NO,    NO,   NO,     YES]),
    (Power::SeeAudit,         [NO,    NO,   YES,    YES]),
];

impl Power {
    pub const ALL: [Self; 8] = [
        Self::SeeBookings,
        Self::SendMailAgain,
        Self::RevealDocuments,
        Self::ResolveAttention,
        Self::RefundMoney,
        Self::ManageStaff,
        Self::ManageHooks,
        Self::SeeAudit,
    ];

    fn row(self) -> [bool; 4] {
        // A power that the table forgot would be nobody's.
        TABLE.iter().find(|(power, _)| *power == self).map_or([NO; 4], |(_, row)| *row)
    }

    pub fn roles(self) -> impl Iterator<Item = StaffRole> {
        StaffRole::ALL.into_iter().zip(self.row()).filter(|(_, may)| *may).map(|(role, _)| role)
    }

    /// After "Only … may".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::SeeBookings => "see bookings",
            Self::SendMailAgain => "send a mail again",
            Self::RevealDocuments => "see travel documents",
            Self::ResolveAttention => "resolve what needs a person",
            Self::RefundMoney => "refund money",
            Self::ManageStaff => "change who is staff",
            Self::ManageHooks => "manage webhooks",
            Self::SeeAudit => "read the audit log",
        }
    }
}

impl StaffRole {
    pub fn may(self, power: Power) -> bool {
        power.roles().any(|role| role == self)
    }
}

impl SignedInStaff {
    pub fn may(&self, power: Power) -> bool {
        self.role.may(power)
    }

    /// For a handler whose need shows only from what was sent.
    pub fn must(&self, power: Power) -> Result<(), AppError> {
        if self.may(power) { Ok(()) } else { Err(barred(self.role, power)) }
    }
}

fn barred(role: StaffRole, power: Power) -> AppError {
    let roles: Vec<&str> = power.roles().map(StaffRole::code).collect();
    let roles = match roles.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        roles => roles.concat(),
    };
    AppError::Barred(Refusal {
        code: "role_may_not",
        title: "Your role may not do this",
        detail: format!(
            "You are {role}. Only {roles} may {}. Nothing was changed. An owner can change your role.",
            power.in_words()
        ),
    })
}

/// A power as a type, for [`May`].
pub trait Needs: Send + Sync {
    const POWER: Power;
}

macro_rules! powers_as_types {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Needs for $name {
            const POWER: Power = Power::$name;
        }
    )+};
}

powers_as_types!(
    SeeBookings,
    SendMailAgain,
    RevealDocuments,
    ResolveAttention,
    RefundMoney,
    ManageStaff,
    ManageHooks,
    SeeAudit,
);

/// A member of the agency whose present role has the power `P`. Others get a 403 that says who has it.
#[derive(Clone, Debug)]
pub struct May<P> {
    staff: SignedInStaff,
    power: PhantomData<fn() -> P>,
}

impl<P> Deref for May<P> {
    type Target = SignedInStaff;
    fn deref(&self) -> &SignedInStaff {
        &self.staff
    }
}

impl<P: Needs, S: Send + Sync> FromRequestParts<S> for May<P>
where
    Db: axum::extract::FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let staff = SignedInStaff::from_request_parts(parts, state).await?;
        staff.must(P::POWER)?;
        Ok(Self { staff, power: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_power_stands_once_in_the_table() {
        for power in Power::ALL {
            assert_eq!(TABLE.iter().filter(|(known, _)| *known == power).count(), 1, "{power:?}");
        }
    }

    #[test]
    fn what_each_role_may_is_as_written_down() {
        use Power::*;
        let may = |role: StaffRole| -> Vec<Power> {
            Power::ALL.into_iter().filter(|power| role.may(*power)).collect()
        };
        assert_eq!(may(StaffRole::Viewer), [SeeBookings]);
        assert_eq!(may(StaffRole::Agent), [SeeBookings, SendMailAgain, RevealDocuments, ResolveAttention]);
        assert_eq!(
            may(StaffRole::Finance),
            [SeeBookings, SendMailAgain, ResolveAttention, RefundMoney, SeeAudit]
        );
        assert_eq!(may(StaffRole::Owner), Power::ALL);
    }

    #[test]
    fn a_refusal_says_who_may() {
        let told = |role, power| match barred(role, power) {
            AppError::Barred(refusal) => refusal.detail,
            other => panic!("{other}"),
        };
        assert_eq!(
            told(StaffRole::Agent, Power::RefundMoney),
            "You are agent. Only finance and owner may refund money. Nothing was changed. An owner can change your role."
        );
        assert!(told(StaffRole::Finance, Power::ManageStaff).contains("Only owner may"));
    }
}
