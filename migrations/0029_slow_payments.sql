-- A slow payment that came to nothing before anybody told us that it was on its way.

insert into booking_transitions (machine, from_state, to_state) values ('attempt', 'open', 'failed');
