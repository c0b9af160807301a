#include "agent/source/deleted_files.h"
