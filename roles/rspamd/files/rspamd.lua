-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Postfix has seen to it that the envelope's sender belongs to who has logged in. Here the From header has to be that
-- address, or the login itself.

-- alice+lists@example.com is alice@example.com.
local function owner(address)
  return (address:lower():gsub('^([^+@]+)%+[^@]*@', '%1@'))
end

local function belongs_to_the_sender(task)
  local headers = task:get_header_full('From')
  if not headers then
    return true
  end
  local own = { [owner(task:get_user())] = true }
  for _, sender in ipairs(task:get_from('smtp') or {}) do
    own[owner(sender.addr)] = true
  end
  local authors = task:get_from('mime') or {}
  return #headers == 1 and #authors == 1 and own[owner(authors[1].addr)]
end

rspamd_config:register_symbol({
  name = 'FROM_NOT_OWN',
  type = 'prefilter',
  priority = 9,
  flags = 'empty,nostat',
  group = 'policies',
  callback = function(task)
    if task:get_user() and not belongs_to_the_sender(task) then
      task:set_pre_result('reject', 'The From address does not belong to you', 'from_not_own')
    end
  end,
})
