metadata description = 'mail-importer in Azure Container Apps, with Service Bus, Azure SQL and Key Vault. docs/azure.md is its guide.'

targetScope = 'resourceGroup'

@description('Beginning of the names of all resources: lower-case letters, digits and hyphens.')
@minLength(3)
@maxLength(12)
param namePrefix string = 'mailimp'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Tags of all resources.')
param tags object = {}

@description('The image with a version or digest, of the target sqlserver: REGISTRY/mail-importer:VERSION.')
@minLength(3)
param image string

@description('Registry that the identities pull from (role AcrPull, see docs/azure.md); empty: a public one.')
param registryServer string = ''

@description('False: only the receiver, the queue and the vault; everything else runs at home.')
param deployWorkers bool = true

@description('Import rules save to a share of Azure Files.')
param deployDelivery bool = false

@description('The web console. consoleClientId and consoleThumbprint are needed.')
param deployConsole bool = false

@description('Service Bus, SQL, vault and share are reached by private endpoints alone. Service Bus is Premium then.')
param privateNetworking bool = false

@description('Address space of the network, a /16; with privateNetworking.')
param networkRange string = '10.60.0.0/16'

@description('The key that authenticates notifications, 32 characters at least. It is kept in the vault.')
@secure()
@minLength(32)
param clientStateSecret string

@description('Public address of the receiver, without path; empty: the one of Container Apps.')
param notificationUrl string = ''

@description('Sign-in to Graph: a federated credential of the identity, or a certificate of the vault.')
@allowed([
  'managed_identity'
  'certificate'
])
param graphCredential string = 'managed_identity'

@description('Object ids of service principals outside that process mail: they may send to the queue and receive from it.')
param outsideWorkerPrincipalIds array = []

@description('Name of the queue: the setting servicebus_queue.')
param queueName string = 'mail-notifications'

@description('Name of the group or user that administers Azure SQL; there are no SQL passwords.')
param sqlAdministratorName string = ''

@description('Object id of the group or user that administers Azure SQL.')
param sqlAdministratorId string = ''

@description('Kind of the administrator of Azure SQL.')
@allowed([
  'Group'
  'User'
])
param sqlAdministratorType string = 'Group'

@description('Size of the database: GP_S_Gen5_2 is serverless, GP_Gen5_2 provisioned.')
param sqlSku string = 'GP_S_Gen5_2'

@description('Name of the gateway database.')
param databaseName string = 'MonitorPro'

@description('Receivers at least.')
@minValue(1)
param receiverReplicas int = 2

@description('Processors at least.')
@minValue(1)
param processorReplicas int = 1

@description('Processors at most.')
@minValue(1)
@maxValue(100)
param processorMaximum int = 10

@description('Messages in the queue for each processor.')
@minValue(1)
param messagesPerProcessor int = 100

@description('Client id of the application at which users of the console sign in.')
param consoleClientId string = ''

@description('Thumbprint of its certificate in the vault.')
param consoleThumbprint string = ''

@description('Rules of Container Apps, { name, action: Allow, ipAddressRange }, of browsers that reach the console; none: internal.')
param consoleAllowedRanges array = []

@description('Resource id of an action group that is alerted of dead letters; empty: no alert.')
param actionGroupId string = ''

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 90

var suffix = uniqueString(resourceGroup().id)
var withDelivery = deployWorkers && deployDelivery
var withConsole = deployWorkers && deployConsole
var publicAccess = privateNetworking ? 'Disabled' : 'Enabled'
var busSku = privateNetworking ? 'Premium' : 'Standard'
var serverless = contains(sqlSku, '_S_')
var roleNames = {
  busSender: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  busReceiver: '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  vaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  vaultReader: '21090545-7ca7-4776-b22c-e363652d74d2'
  vaultCryptoUser: '12338af0-0e69-4776-bea7-57ae8d297424'
}

resource receiverIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${namePrefix}-receiver'
  location: location
  tags: tags
}

resource workerIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (deployWorkers) {
  name: '${namePrefix}-worker'
  location: location
  tags: tags
}

resource migrationIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (deployWorkers) {
  name: '${namePrefix}-migration'
  location: location
  tags: tags
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${namePrefix}-logs'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: logDays
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = if (privateNetworking) {
  name: '${namePrefix}-network'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        networkRange
      ]
    }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: cidrSubnet(networkRange, 23, 0)
          delegations: [
            {
              name: 'apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(networkRange, 24, 2)
        }
      }
    ]
  }
}

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: '${namePrefix}-${suffix}'
  location: location
  tags: tags
  sku: {
    name: busSku
    tier: busSku
  }
  properties: {
    minimumTlsVersion: '1.2'
    disableLocalAuth: true
    publicNetworkAccess: publicAccess
  }
}

// The same queue as in deploy/servicebus/azuredeploy.json, which a test compares.
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: queueName
  properties: {
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    deadLetteringOnMessageExpiration: true
    defaultMessageTimeToLive: 'P14D'
    requiresSession: false
    enableBatchedOperations: true
    enablePartitioning: false
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: take('${namePrefix}-${suffix}', 24)
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: publicAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

resource clientState 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'client-state-secret'
  properties: {
    value: clientStateSecret
  }
}

resource sql 'Microsoft.Sql/servers@2023-08-01' = if (deployWorkers) {
  name: '${namePrefix}-${suffix}'
  location: location
  tags: tags
  properties: {
    minimalTlsVersion: '1.2'
    publicNetworkAccess: publicAccess
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      login: sqlAdministratorName
      sid: sqlAdministratorId
      principalType: sqlAdministratorType
      tenantId: tenant().tenantId
    }
  }
}

resource database 'Microsoft.Sql/servers/databases@2023-08-01' = if (deployWorkers) {
  parent: sql
  name: databaseName
  location: location
  tags: tags
  sku: {
    name: sqlSku
  }
  // The roles poll: a serverless database never pauses, it only takes less capacity.
  properties: serverless ? { autoPauseDelay: -1, minCapacity: json('0.5') } : {}
}

// Container Apps without a network of their own have no fixed addresses: the rule of all Azure services, by 0.0.0.0.
resource sqlFirewall 'Microsoft.Sql/servers/firewallRules@2023-08-01' = if (deployWorkers && !privateNetworking) {
  parent: sql
  name: 'AllowAllWindowsAzureIps'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = if (withDelivery) {
  name: take('${replace(namePrefix, '-', '')}${suffix}', 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    publicNetworkAccess: publicAccess
  }
}

resource share 'Microsoft.Storage/storageAccounts/fileServices/shares@2023-05-01' = if (withDelivery) {
  name: '${storage.name}/default/import'
  properties: {
    shareQuota: 100
  }
  dependsOn: [
    storage
  ]
}

resource receiverSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: queue
  name: guid(queue.id, receiverIdentity.id, roleNames.busSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.busSender)
    principalId: receiverIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource receiverReadsSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: clientState
  name: guid(clientState.id, receiverIdentity.id, roleNames.vaultSecretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.vaultSecretsUser)
    principalId: receiverIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workerSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployWorkers) {
  scope: queue
  name: guid(queue.id, workerIdentity.id, roleNames.busSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.busSender)
    principalId: workerIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workerReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployWorkers) {
  scope: queue
  name: guid(queue.id, workerIdentity.id, roleNames.busReceiver)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.busReceiver)
    principalId: workerIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workerReadsSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployWorkers) {
  scope: clientState
  name: guid(clientState.id, workerIdentity.id, roleNames.vaultSecretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.vaultSecretsUser)
    principalId: workerIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workerReadsCertificates 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployWorkers) {
  scope: vault
  name: guid(vault.id, workerIdentity.id, roleNames.vaultReader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.vaultReader)
    principalId: workerIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource workerSigns 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployWorkers) {
  scope: vault
  name: guid(vault.id, workerIdentity.id, roleNames.vaultCryptoUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.vaultCryptoUser)
    principalId: workerIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource outsideSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in outsideWorkerPrincipalIds: {
  scope: queue
  name: guid(queue.id, principal, roleNames.busSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.busSender)
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

resource outsideReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in outsideWorkerPrincipalIds: {
  scope: queue
  name: guid(queue.id, principal, roleNames.busReceiver)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleNames.busReceiver)
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

var busZone = 'privatelink.servicebus.windows.net'
var vaultZone = 'privatelink.vaultcore.azure.net'
var sqlZone = 'privatelink${environment().suffixes.sqlServerHostname}'
var fileZone = 'privatelink.file.${environment().suffixes.storage}'
var always = [
  { name: 'bus', id: bus.id, group: 'namespace', zone: busZone }
  { name: 'vault', id: vault.id, group: 'vault', zone: vaultZone }
]
var forWorkers = deployWorkers ? [{ name: 'sql', id: sql.id, group: 'sqlServer', zone: sqlZone }] : []
var forDelivery = withDelivery ? [{ name: 'files', id: storage.id, group: 'file', zone: fileZone }] : []
var endpoints = privateNetworking ? concat(always, forWorkers, forDelivery) : []

resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for endpoint in endpoints: {
  name: endpoint.zone
  location: 'global'
  tags: tags
  properties: {}
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for endpoint in endpoints: {
  name: '${endpoint.zone}/${namePrefix}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
  dependsOn: [
    zones
  ]
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for endpoint in endpoints: {
  name: '${namePrefix}-${endpoint.name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${network.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.id
          groupIds: [
            endpoint.group
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for endpoint in endpoints: {
  name: '${namePrefix}-${endpoint.name}/default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.name
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', endpoint.zone)
        }
      }
    ]
  }
  dependsOn: [
    privateEndpoints
    zones
    zoneLinks
  ]
}]

resource apps 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: '${namePrefix}-apps'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
    vnetConfiguration: privateNetworking ? { infrastructureSubnetId: '${network.id}/subnets/apps', internal: false } : null
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource appLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: apps
  name: 'logs'
  properties: {
    workspaceId: logs.id
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

resource appFiles 'Microsoft.App/managedEnvironments/storages@2025-01-01' = if (withDelivery) {
  parent: apps
  name: 'import'
  properties: {
    azureFile: {
      accountName: storage.name
      accountKey: listKeys(storage.id, '2023-05-01').keys[0].value
      shareName: 'import'
      accessMode: 'ReadWrite'
    }
  }
  dependsOn: [
    share
  ]
}

var metricsPort = 9464
var probes = [
  {
    type: 'Liveness'
    httpGet: { path: '/health/live', port: metricsPort }
    initialDelaySeconds: 10
    periodSeconds: 10
    failureThreshold: 6
  }
  {
    type: 'Readiness'
    httpGet: { path: '/health/ready', port: metricsPort }
    periodSeconds: 10
    failureThreshold: 3
  }
]
var allSettings = [
  { name: 'MAIL_IMPORTER_LOG_FORMAT', value: 'json' }
  { name: 'MAIL_IMPORTER_METRICS_HOST', value: '0.0.0.0' }
  { name: 'MAIL_IMPORTER_METRICS_PORT', value: string(metricsPort) }
  { name: 'MAIL_IMPORTER_QUEUE', value: 'servicebus' }
  { name: 'MAIL_IMPORTER_SERVICEBUS_QUEUE', value: queueName }
  { name: 'MAIL_IMPORTER_SERVICEBUS_CREDENTIAL', value: 'managed_identity' }
]
var databaseSettings = [{ name: 'MAIL_IMPORTER_DATABASE_CREDENTIAL', value: 'managed_identity' }]
var graphSettings = [
  { name: 'MAIL_IMPORTER_GRAPH_CREDENTIAL', value: graphCredential }
  { name: 'MAIL_IMPORTER_CERTIFICATE_STORE', value: 'keyvault:${vault.name}' }
  { name: 'MAIL_IMPORTER_KEYVAULT_CREDENTIAL', value: 'managed_identity' }
]
var secretSettings = [{ name: 'MAIL_IMPORTER_CLIENT_STATE_SECRET', secretRef: 'client-state-secret' }]

resource receiver 'Microsoft.App/containerApps@2025-01-01' = {
  name: '${namePrefix}-receiver'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${receiverIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: receiverIdentity.id }]
      secrets: [
        { name: 'client-state-secret', keyVaultUrl: clientState.properties.secretUri, identity: receiverIdentity.id }
      ]
      ingress: {
        external: true
        transport: 'http'
        allowInsecure: false
        targetPort: 8080
      }
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'receiver'
          image: image
          args: [
            'run'
            'receiver'
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: probes
          env: concat(allSettings, secretSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: receiverIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_RECEIVER_HOST', value: '0.0.0.0' }
            { name: 'MAIL_IMPORTER_RECEIVER_PORT', value: '8080' }
            { name: 'MAIL_IMPORTER_RECEIVER_CONNECTIONS_PER_ADDRESS', value: '0' }
          ])
        }
      ]
      scale: {
        minReplicas: receiverReplicas
        maxReplicas: max(receiverReplicas, 10)
        rules: [
          { name: 'requests', http: { metadata: { concurrentRequests: '100' } } }
        ]
      }
    }
  }
  dependsOn: [
    queue
    receiverSends
    receiverReadsSecret
  ]
}

resource subscriptions 'Microsoft.App/containerApps@2025-01-01' = if (deployWorkers) {
  name: '${namePrefix}-subscriptions'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${workerIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: workerIdentity.id }]
      secrets: [
        { name: 'client-state-secret', keyVaultUrl: clientState.properties.secretUri, identity: workerIdentity.id }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'subscriptions'
          image: image
          args: [
            'run'
            'subscriptions'
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: probes
          env: concat(allSettings, databaseSettings, graphSettings, secretSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: workerIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_DATABASE_URL', value: 'mssql+pyodbc://${sql.properties.fullyQualifiedDomainName}/${databaseName}' }
            { name: 'MAIL_IMPORTER_NOTIFICATION_URL', value: empty(notificationUrl) ? 'https://${receiver.properties.configuration.ingress.fqdn}' : notificationUrl }
          ])
        }
      ]
      scale: { minReplicas: 1, maxReplicas: 1 }
    }
  }
  dependsOn: [
    database
    workerSends
    workerReceives
    workerReadsSecret
    workerReadsCertificates
    workerSigns
  ]
}

resource processor 'Microsoft.App/containerApps@2025-01-01' = if (deployWorkers) {
  name: '${namePrefix}-processor'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${workerIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: workerIdentity.id }]
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'processor'
          image: image
          args: [
            'run'
            'processor'
          ]
          resources: {
            cpu: json('1.0')
            memory: '2Gi'
          }
          probes: probes
          env: concat(allSettings, databaseSettings, graphSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: workerIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_DATABASE_URL', value: 'mssql+pyodbc://${sql.properties.fullyQualifiedDomainName}/${databaseName}' }
          ])
        }
      ]
      scale: {
        minReplicas: processorReplicas
        maxReplicas: processorMaximum
        rules: [
          {
            name: 'queue'
            custom: {
              type: 'azure-servicebus'
              metadata: {
                namespace: bus.name
                queueName: queueName
                messageCount: string(messagesPerProcessor)
              }
              identity: workerIdentity.id
            }
          }
        ]
      }
    }
  }
  dependsOn: [
    database
    workerSends
    workerReceives
    workerReadsSecret
    workerReadsCertificates
    workerSigns
  ]
}

resource delivery 'Microsoft.App/containerApps@2025-01-01' = if (withDelivery) {
  name: '${namePrefix}-delivery'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${workerIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: workerIdentity.id }]
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'delivery'
          image: image
          args: [
            'run'
            'delivery'
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: probes
          env: concat(allSettings, databaseSettings, graphSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: workerIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_DATABASE_URL', value: 'mssql+pyodbc://${sql.properties.fullyQualifiedDomainName}/${databaseName}' }
            { name: 'MAIL_IMPORTER_DELIVERY_ROOTS', value: '/import' }
          ])
          volumeMounts: [
            { volumeName: 'import', mountPath: '/import' }
          ]
        }
      ]
      scale: { minReplicas: 1, maxReplicas: 1 }
      volumes: [
        {
          name: 'import'
          storageType: 'AzureFile'
          storageName: 'import'
          mountOptions: 'uid=10001,gid=10001,dir_mode=0750,file_mode=0640'
        }
      ]
    }
  }
  dependsOn: [
    database
    workerSends
    workerReceives
    workerReadsSecret
    workerReadsCertificates
    workerSigns
    appFiles
  ]
}

resource console 'Microsoft.App/containerApps@2025-01-01' = if (withConsole) {
  name: '${namePrefix}-console'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${workerIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: workerIdentity.id }]
      ingress: {
        external: !empty(consoleAllowedRanges)
        transport: 'http'
        allowInsecure: false
        targetPort: 8081
        ipSecurityRestrictions: consoleAllowedRanges
      }
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'console'
          image: image
          args: [
            'run'
            'console'
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: probes
          env: concat(allSettings, databaseSettings, graphSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: workerIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_DATABASE_URL', value: 'mssql+pyodbc://${sql.properties.fullyQualifiedDomainName}/${databaseName}' }
            { name: 'MAIL_IMPORTER_CONSOLE_HOST', value: '0.0.0.0' }
            { name: 'MAIL_IMPORTER_CONSOLE_PORT', value: '8081' }
            { name: 'MAIL_IMPORTER_CONSOLE_URL', value: 'https://${namePrefix}-console.${apps.properties.defaultDomain}' }
            { name: 'MAIL_IMPORTER_CONSOLE_AUTH', value: 'entra' }
            { name: 'MAIL_IMPORTER_CONSOLE_TENANT_ID', value: tenant().tenantId }
            { name: 'MAIL_IMPORTER_CONSOLE_CLIENT_ID', value: consoleClientId }
            { name: 'MAIL_IMPORTER_CONSOLE_THUMBPRINT', value: consoleThumbprint }
          ])
        }
      ]
      scale: { minReplicas: 1, maxReplicas: 1 }
    }
  }
  dependsOn: [
    database
    workerSends
    workerReceives
    workerReadsSecret
    workerReadsCertificates
    workerSigns
  ]
}

resource migration 'Microsoft.App/jobs@2025-01-01' = if (deployWorkers) {
  name: '${namePrefix}-migration'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${migrationIdentity.id}': {}
    }
  }
  properties: {
    environmentId: apps.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      replicaTimeout: 3600
      replicaRetryLimit: 1
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      registries: empty(registryServer) ? [] : [{ server: registryServer, identity: migrationIdentity.id }]
    }
    template: {
      containers: [
        {
          name: 'migration'
          image: image
          args: [
            'db'
            'upgrade'
          ]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: concat(allSettings, databaseSettings, [
            { name: 'MAIL_IMPORTER_SERVICEBUS_NAMESPACE', value: replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '') }
            { name: 'MAIL_IMPORTER_MANAGED_IDENTITY_CLIENT_ID', value: migrationIdentity.properties.clientId }
            { name: 'MAIL_IMPORTER_DATABASE_URL', value: 'mssql+pyodbc://${sql.properties.fullyQualifiedDomainName}/${databaseName}' }
          ])
        }
      ]
    }
  }
  dependsOn: [
    database
  ]
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(actionGroupId)) {
  name: '${namePrefix}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Notifications were dead-lettered: mail-importer queue list'
    severity: 2
    enabled: true
    scopes: [
      bus.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'deadLetters'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'DeadletteredMessages'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [
      { actionGroupId: actionGroupId }
    ]
  }
}

@description('The setting notification_url.')
output notificationUrl string = empty(notificationUrl) ? 'https://${receiver.properties.configuration.ingress.fqdn}' : notificationUrl

@description('The setting servicebus_namespace.')
output servicebusNamespace string = replace(replace(bus.properties.serviceBusEndpoint, 'https://', ''), ':443/', '')

@description('Name of the vault.')
output vaultName string = vault.name

@description('Name of Azure SQL.')
output sqlServer string = deployWorkers ? sql.properties.fullyQualifiedDomainName : ''

@description('Object id of the identity that signs in to Graph: the subject of the federated credential.')
output workerPrincipalId string = deployWorkers ? workerIdentity.properties.principalId : ''
