curl https://MyDomainName.my.salesforce.com/services/oauth2/token -d 'grant_type=client_credentials' -d 'client_id=*******************' -d 'client_secret=*******************'
