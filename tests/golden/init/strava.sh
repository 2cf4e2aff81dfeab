curl -X POST https://www.strava.com/api/v3/oauth/token -d client_id=12345 -d client_secret=ReplaceWithClientSecret -d grant_type=refresh_token -d refresh_token=canary-strava
