-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- As the guides make them: nothing but the unique addresses has an index.
CREATE USER mailuser PASSWORD 'mailpassword';
CREATE DATABASE mailserver;
\connect mailserver
CREATE TABLE virtual_domains (id serial PRIMARY KEY, name varchar(50) NOT NULL);
CREATE TABLE virtual_users (
  id serial PRIMARY KEY,
  domain_id integer NOT NULL REFERENCES virtual_domains (id) ON DELETE CASCADE,
  password varchar(150) NOT NULL,
  email varchar(100) NOT NULL UNIQUE
);
CREATE TABLE virtual_aliases (
  id serial PRIMARY KEY,
  domain_id integer NOT NULL REFERENCES virtual_domains (id) ON DELETE CASCADE,
  source varchar(100) NOT NULL,
  destination varchar(100) NOT NULL
);
GRANT SELECT ON virtual_domains, virtual_users, virtual_aliases TO mailuser;
