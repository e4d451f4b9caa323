-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Who looks after a row: the modules say so of each row that is declared to them. What comes from elsewhere, such as a
-- web interface, is not theirs, and so is what was there before this column.
ALTER TABLE public.virtual_domains ADD COLUMN managed boolean NOT NULL DEFAULT false;
ALTER TABLE public.virtual_users ADD COLUMN managed boolean NOT NULL DEFAULT false;
ALTER TABLE public.virtual_aliases ADD COLUMN managed boolean NOT NULL DEFAULT false;
