-- What the days around a search cost is kept beside its answer: a page that shows both is one statement.

alter table flight_searches
    add column days jsonb constraint flight_searches_days_form check (jsonb_typeof(days) = 'object');
comment on column flight_searches.days is 'Lowest totals of the days around, as the supplier told them with the answer, and when. None: it does not tell, or an older version of the program wrote the row.';
