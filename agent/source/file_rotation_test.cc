#include "agent/source/file_shard.h"
