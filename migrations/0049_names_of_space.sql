-- Space that an airline keeps is kept in names: it is paid for in these names or not at all.

alter table duffel_orders add column party text
    constraint duffel_orders_party_form check (party ~ '^[0-9a-f]{64}$');
comment on column duffel_orders.party is 'Fingerprint of the names and the contact that space was asked for with, as long as there may be space. Never told to anybody. NULL: none is kept, or it was written before there was such a column.';

create index duffel_orders_given_back on duffel_orders (offer_id) where state = 'released';
comment on index duffel_orders_given_back is 'Duffel sells an offer once, also where its order was given back: whether that is so is asked before each payment.';
