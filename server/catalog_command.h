// `skidway-server catalog rebuild|check`: for operators, while no server runs on the data folder; and
// `skidway-server quarantine`, which only needs the store.
//
// Thread: one, blocks. Speaks on stdout, of trouble on stderr.
#pragma once

#include "server/settings.h"

namespace server {

// Makes the catalogue anew from the store. A catalogue that is there is moved away if it is damaged or empty, or with
// `force`; otherwise it is left alone. Returns the exit status: 0 done; 1 not done, or some objects could not be read.
int rebuild_catalog(const Settings& settings, bool force);

// Whether the catalogue is sound and every live object is there with its size. Exit status: 0 yes, 1 no.
int check_catalog(const Settings& settings);

// Lists what is in the quarantine of the store (compact/quarantine.h), and with `remove` deletes it. Exit status: 0
// done.
int show_quarantine(const Settings& settings, bool remove);

}  // namespace server
