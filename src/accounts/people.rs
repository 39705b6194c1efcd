//! What a person keeps with us to book faster: their own data, and whom they travel with. The forms are pure.

use jiff::{civil, tz::TimeZone};

use crate::{
    accounts::{Accounts, people_store},
    airports::Airports,
    db::Traveller,
    error::{AppError, FieldErrors, Refusal},
    ids::{TravellerId, UserId},
    itinerary::{Passenger, Sex},
    personal::personal,
    web::form,
};

/// A list that long helps nobody, and somebody may try how much we take.
pub const MOST_TRAVELLERS: usize = 40;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    /// Empty: not told.
    pub phone: String,
    pub born_on: Option<civil::Date>,
    /// ISO 3166-1 alpha-2.
    pub nationality: Option<String>,
}

personal!(Profile {});

/// Somebody whom a user often books for.
#[derive(Clone, PartialEq, Eq)]
pub struct SavedTraveller {
    pub given_names: String,
    pub family_name: String,
    pub born_on: civil::Date,
    pub sex: Sex,
}

personal!(SavedTraveller {});

/// As it was typed. Everything but the name may stay empty.
#[derive(Clone, Default)]
pub struct ProfileForm {
    pub name: String,
    pub phone: String,
    /// Day, month, year.
    pub born_on: [String; 3],
    pub nationality: String,
}

personal!(ProfileForm {});

/// As it was typed.
#[derive(Clone, Default)]
pub struct TravellerForm {
    pub given_names: String,
    pub family_name: String,
    /// Day, month, year.
    pub born_on: [String; 3],
    pub sex: String,
}

personal!(TravellerForm {});

impl SavedTraveller {
    /// By name and birth, however the name was typed.
    fn is_same_person(&self, other: &Self) -> bool {
        let names = |who: &Self| format!("{} {}", who.given_names, who.family_name).to_lowercase();
        self.born_on == other.born_on && names(self) == names(other)
    }
}

impl From<&Passenger> for SavedTraveller {
    fn from(passenger: &Passenger) -> Self {
        Self {
            given_names: passenger.given_names.clone(),
            family_name: passenger.family_name.clone(),
            born_on: passenger.born_on,
            sex: passenger.sex,
        }
    }
}

impl ProfileForm {
    pub fn filled(profile: &Profile) -> Self {
        Self {
            name: profile.name.clone(),
            phone: profile.phone.clone(),
            born_on: profile.born_on.map(parts_of).unwrap_or_default(),
            nationality: profile.nationality.clone().unwrap_or_default(),
        }
    }

    pub fn check(&self, today: civil::Date) -> Result<Profile, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = form::text(&mut errors, "name", &self.name, 200, "Write your name");
        let phone = match self.phone.trim() {
            "" => Some(String::new()),
            phone => form::phone(&mut errors, "phone", phone),
        };
        let is_told = self.born_on.iter().any(|part| !part.trim().is_empty());
        let born_on = is_told.then(|| form::born_on(&mut errors, "born_on", borrowed(&self.born_on), today));
        let nationality = match self.nationality.trim() {
            "" => None,
            code if Airports::world().is_country(code) => Some(code.to_owned()),
            _ => {
                errors.add("nationality", "Choose a country from the list");
                None
            }
        };
        match (name, phone) {
            (Some(name), Some(phone)) if errors.is_empty() => {
                Ok(Profile { name, phone, born_on: born_on.flatten(), nationality })
            }
            _ => Err(errors),
        }
    }
}

impl TravellerForm {
    pub fn filled(traveller: &SavedTraveller) -> Self {
        Self {
            given_names: traveller.given_names.clone(),
            family_name: traveller.family_name.clone(),
            born_on: parts_of(traveller.born_on),
            sex: traveller.sex.code().to_owned(),
        }
    }

    pub fn check(&self, today: civil::Date) -> Result<SavedTraveller, FieldErrors> {
        let mut errors = FieldErrors::default();
        let given =
            form::passport_name(&mut errors, "given_names", &self.given_names, "Write the given names");
        let family =
            form::passport_name(&mut errors, "family_name", &self.family_name, "Write the family name");
        let born_on = form::born_on(&mut errors, "born_on", borrowed(&self.born_on), today);
        let sex = form::sex(&mut errors, "sex", &self.sex);
        match (given, family, born_on, sex) {
            (Some(given_names), Some(family_name), Some(born_on), Some(sex)) => {
                Ok(SavedTraveller { given_names, family_name, born_on, sex })
            }
            _ => Err(errors),
        }
    }
}

fn borrowed(parts: &[String; 3]) -> [&str; 3] {
    parts.each_ref().map(String::as_str)
}

fn parts_of(date: civil::Date) -> [String; 3] {
    [date.day().to_string(), date.month().to_string(), date.year().to_string()]
}

impl Accounts {
    /// In UTC: what forms hold days of birth to.
    pub fn today(&self) -> civil::Date {
        self.clock.now().to_zoned(TimeZone::UTC).date()
    }

    pub async fn profile(&self, user: UserId) -> Result<Profile, AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        people_store::profile(&mut tx).await
    }

    pub async fn update_profile(&self, user: UserId, profile: &Profile) -> Result<(), AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        people_store::update_profile(&mut tx, profile).await?;
        tx.commit().await?;
        Ok(())
    }

    /// In the order in which they were saved.
    pub async fn saved_travellers(
        &self,
        user: UserId,
    ) -> Result<Vec<(TravellerId, SavedTraveller)>, AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        people_store::travellers(&mut tx).await
    }

    /// Changes the one named, or adds one.
    pub async fn save_traveller(
        &self,
        user: UserId,
        id: Option<TravellerId>,
        traveller: &SavedTraveller,
    ) -> Result<TravellerId, AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        let id = match id {
            Some(id) => {
                if !people_store::change_traveller(&mut tx, id, traveller).await? {
                    return Err(AppError::NotFound);
                }
                id
            }
            None => {
                // One after the other: the same form sent twice is one traveller, and a full list is full.
                people_store::lock(&mut tx).await?;
                let known = people_store::travellers(&mut tx).await?;
                if let Some((id, _)) = known.iter().find(|(_, known)| known == traveller) {
                    return Ok(*id);
                }
                if known.len() >= MOST_TRAVELLERS {
                    return Err(too_many_travellers());
                }
                let id = TravellerId::new();
                people_store::add_traveller(&mut tx, user, id, traveller, self.clock.now()).await?;
                id
            }
        };
        tx.commit().await?;
        Ok(id)
    }

    /// Adds those whom the list does not hold yet, as far as there is room: it is a kindness on the way to something else.
    pub async fn keep_travellers(&self, user: UserId, travellers: &[SavedTraveller]) -> Result<(), AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        people_store::lock(&mut tx).await?;
        let mut known: Vec<SavedTraveller> =
            people_store::travellers(&mut tx).await?.into_iter().map(|(_, traveller)| traveller).collect();
        for traveller in travellers {
            if known.len() < MOST_TRAVELLERS && !known.iter().any(|other| other.is_same_person(traveller)) {
                let id = TravellerId::new();
                people_store::add_traveller(&mut tx, user, id, traveller, self.clock.now()).await?;
                known.push(traveller.clone());
            }
        }
        tx.commit().await?;
        Ok(())
    }

    pub async fn forget_traveller(&self, user: UserId, id: TravellerId) -> Result<(), AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        if !people_store::forget_traveller(&mut tx, id).await? {
            return Err(AppError::NotFound);
        }
        tx.commit().await?;
        Ok(())
    }
}

fn too_many_travellers() -> AppError {
    AppError::Refused(Refusal {
        code: "too_many_travellers",
        title: "This list is full",
        detail: format!("We keep up to {MOST_TRAVELLERS} travellers for you. Remove one, then add another."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: civil::Date = civil::date(2026, 11, 23);

    fn form() -> ProfileForm {
        ProfileForm {
            name: " Maria Duarte ".to_owned(),
            phone: "+351 900 000 000".to_owned(),
            born_on: ["4", "12", "1986"].map(str::to_owned),
            nationality: "PT".to_owned(),
        }
    }

    #[test]
    fn a_profile_survives_its_form_and_only_the_name_is_needed() {
        let profile = form().check(TODAY).unwrap();
        assert_eq!(profile.born_on, Some(civil::date(1986, 12, 4)));
        assert_eq!(ProfileForm::filled(&profile).check(TODAY), Ok(profile));
        let bare = ProfileForm { name: "Maria".to_owned(), ..ProfileForm::default() }.check(TODAY).unwrap();
        assert_eq!(bare, Profile { name: "Maria".to_owned(), ..Profile::default() });
    }

    #[test]
    fn what_does_not_fit_is_told_beside_every_field_at_once() {
        let parts = |day: &str, month: &str, year: &str| [day, month, year].map(str::to_owned);
        let wrong = ProfileForm {
            name: "\u{202e}".to_owned(),
            phone: "call me".to_owned(),
            born_on: parts("30", "2", "1986"),
            nationality: "pt".to_owned(),
        };
        let errors = wrong.check(TODAY).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["name", "phone", "born_on", "nationality"]);
        for born_on in [parts("24", "11", "2026"), parts("1", "1", "1850"), parts("", "1", "1990")] {
            let form = ProfileForm { born_on, ..form() };
            assert!(form.check(TODAY).unwrap_err().get("born_on").is_some(), "{:?}", form.born_on);
        }
        for nationality in ["XX", "PRT", "Portugal", "P"] {
            let form = ProfileForm { nationality: nationality.to_owned(), ..form() };
            assert!(form.check(TODAY).unwrap_err().get("nationality").is_some(), "{nationality}");
        }
    }

    #[test]
    fn a_saved_traveller_is_checked_as_a_passenger_is() {
        let form = TravellerForm {
            given_names: " Jose\u{301} ".to_owned(),
            family_name: "O’Neill".to_owned(),
            born_on: ["4", "12", "2026"].map(str::to_owned),
            sex: "x".to_owned(),
        };
        assert!(form.check(TODAY).unwrap_err().get("born_on").is_some());
        let traveller = TravellerForm { born_on: ["23", "11", "2026"].map(str::to_owned), ..form.clone() }
            .check(TODAY)
            .unwrap();
        assert_eq!(traveller.given_names, "José");
        assert_eq!(TravellerForm::filled(&traveller).check(TODAY), Ok(traveller));
        let errors = TravellerForm::default().check(TODAY).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["given_names", "family_name", "born_on", "sex"]);
    }
}
